"""Reviews finished rows by hand on a local web page, and stores the decisions."""
