"""The backbones, one file each; a new one is a file and its name here, or an entry point of "fibrostage.backbones"."""

from fibrostage.ground.registry import InFiles, Registry
from fibrostage.networks.backbones.spec import Backbone

FILES = ("efficientnet_lite0", "efficientnet_lite0_mid", "resnet18", "resnet50", "inception_v3", "dlre")
BACKBONES: Registry[Backbone] = Registry("backbone", InFiles(__name__, "BACKBONE", FILES), "fibrostage.backbones")
