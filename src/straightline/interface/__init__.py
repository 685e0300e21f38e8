"""The Python interface: what scripts and notebooks call."""
