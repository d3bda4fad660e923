"""A card processor of our own in which no money is real: the default, so that everything works.

It is a process of its own and shares nothing with the others but HTTP. It speaks as much of
Stripe's API as `payments.stripe` asks for, has a page in which a test card is entered and one in
which a bank is answered, and signs webhooks. Its state and its log are in one file, so that it may
be killed at any moment; what its log says was charged judges everybody else.
"""
