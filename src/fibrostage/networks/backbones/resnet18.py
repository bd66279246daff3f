"""ResNet-18 (He et al. 2016), the small sibling of the paper's ResNet-50."""

from fibrostage.networks.backbones.resnet import (
    MEAN,
    STD,
    ResNetTrunk,
    drop_classifier,
    imagenet_file,
)
from fibrostage.networks.backbones.spec import Backbone

BACKBONE = Backbone(
    name="resnet18",
    features=512,
    size=224,
    mean=MEAN,
    std=STD,
    last=("layer4",),
    build=lambda: ResNetTrunk("resnet18"),
    rename=drop_classifier,
    imagenet=imagenet_file("resnet18"),
    source="He et al., Deep residual learning, CVPR 2016; MONAI's implementation",
    licence="Apache-2.0 (code); the ImageNet weights' licence is their publisher's",
)
