"""Every command, imported for the side effect of registering itself on the app."""

import sfumato.cli.audit
import sfumato.cli.demo
import sfumato.cli.methods
import sfumato.cli.verify  # noqa: F401
