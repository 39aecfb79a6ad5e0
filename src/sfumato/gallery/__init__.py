"""A gallery of protected templates on disk: enrol, verify, identify, delete, export."""

from sfumato.gallery._gallery import Gallery
from sfumato.gallery._templates import ProtectedTemplates

__all__ = ["Gallery", "ProtectedTemplates"]
