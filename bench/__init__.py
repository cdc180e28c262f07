"""How much CPU a request costs here, and how far that is from bare Flask and from FastAPI."""
