"""Every command, imported for the side effect of registering itself on the app."""

import sfumato.cli.audit
import sfumato.cli.batch
import sfumato.cli.check
import sfumato.cli.data
import sfumato.cli.demo
import sfumato.cli.describe
import sfumato.cli.embed
import sfumato.cli.export
import sfumato.cli.gallery
import sfumato.cli.listing
import sfumato.cli.methods
import sfumato.cli.perturb
import sfumato.cli.reproduce
import sfumato.cli.serve
import sfumato.cli.sweep
import sfumato.cli.verify  # noqa: F401
