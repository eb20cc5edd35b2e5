"""One module for each form in which files hold rows. Each yields records and rejects, in order."""
