"""ResNet-50 (He et al. 2016), the backbone of the MMFN paper."""

from fibrostage.networks.backbones.resnet import (
    MEAN,
    STD,
    ResNetTrunk,
    drop_classifier,
    imagenet_file,
)
from fibrostage.networks.backbones.spec import Backbone

BACKBONE = Backbone(
    name="resnet50",
    features=2048,
    size=224,
    mean=MEAN,
    std=STD,
    last=("layer4",),
    build=lambda: ResNetTrunk("resnet50"),
    rename=drop_classifier,
    imagenet=imagenet_file("resnet50"),
    source="He et al., Deep residual learning, CVPR 2016; MONAI's implementation",
    licence="Apache-2.0 (code); the ImageNet weights' licence is their publisher's",
)
