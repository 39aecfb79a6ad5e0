"""Every command, imported for the side effect of registering itself on the app."""
