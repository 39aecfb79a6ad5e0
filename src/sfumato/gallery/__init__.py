"""A gallery of protected templates on disk: enrol, verify, identify, delete, export."""

from sfumato.gallery.gallery import Gallery
from sfumato.gallery.templates import Templates

__all__ = ["Gallery", "Templates"]
