"""ResNet-50 (He et al. 2016), the backbone of the MMFN paper."""

from fibrostage.networks.backbones.resnet import (
    HUGGING_FACE,
    MEAN,
    STD,
    ResNetTrunk,
    drop_classifier,
)
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.published import Published

IMAGENET = Published(
    "resnet50", "resnet50-0676ba61.pth", "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a"
)

BACKBONE = Backbone(
    name="resnet50",
    features=2048,
    size=224,
    mean=MEAN,
    std=STD,
    last=("layer4",),
    build=lambda: ResNetTrunk("resnet50"),
    rename=drop_classifier,
    imagenet=IMAGENET.find,
    source="He et al., Deep residual learning, CVPR 2016; MONAI's implementation",
    licence="Apache-2.0 (code); the ImageNet weights' licence is their publisher's",
    layouts=(HUGGING_FACE,),
)
