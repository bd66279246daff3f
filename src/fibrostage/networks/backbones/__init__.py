"""The backbones, one file each; a new one is a file and a line here."""

from fibrostage.ground.registry import Registry
from fibrostage.networks.backbones import dlre, efficientnet_lite0, inception_v3, resnet18, resnet50
from fibrostage.networks.backbones.spec import Backbone

BACKBONES: Registry[Backbone] = Registry(
    "backbone",
    (
        efficientnet_lite0.BACKBONE,
        resnet18.BACKBONE,
        resnet50.BACKBONE,
        inception_v3.BACKBONE,
        dlre.BACKBONE,
    ),
)
