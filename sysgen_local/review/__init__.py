"""Going through finished rows by hand: a page on this machine, and what is decided on it."""
