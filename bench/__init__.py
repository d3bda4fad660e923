"""What docs/measured.md says of speed: each module measures one thing beside another.

Absolute times are those of the machine and of the moment; ratios are taken within one run.
"""
