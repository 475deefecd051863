"""The auditor by itself: facts that are made up, and what it says of them."""
