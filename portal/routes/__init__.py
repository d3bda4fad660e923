"""One module for each screen; each has a `router`, whose routes all say who may use them."""
