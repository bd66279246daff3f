"""The page: what a browser sees, what an attacker tries, what a killed server leaves."""
