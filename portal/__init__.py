"""The office manager's web pages. They read the ledger and write requests, and move no money."""
