"""The heads, one file each; a new one is a file and its name here, or an entry point of "fibrostage.heads"."""

from fibrostage.ground.registry import InFiles, Registry
from fibrostage.networks.heads.spec import HeadKind

FILES = ("softmax", "ordinal")
HEADS: Registry[HeadKind] = Registry("head", InFiles(__name__, "HEAD", FILES), "fibrostage.heads")
