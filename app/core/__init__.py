"""The feature-blind core: what every feature stands on, and none of them may be known to."""
