"""Quality of the data of a run: shares and other figures with 95 % intervals."""
