"""The desk: one local web page from which a store is run, looked at, reviewed and exported."""
