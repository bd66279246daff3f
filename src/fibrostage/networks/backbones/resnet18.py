"""ResNet-18 (He et al. 2016), the small sibling of the paper's ResNet-50."""

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
    "resnet18", "resnet18-f37072fd.pth", "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"
)

BACKBONE = Backbone(
    name="resnet18",
    features=512,
    size=224,
    mean=MEAN,
    std=STD,
    last=("layer4",),
    build=lambda: ResNetTrunk("resnet18"),
    rename=drop_classifier,
    imagenet=IMAGENET.find,
    source="He et al., Deep residual learning, CVPR 2016; MONAI's implementation",
    licence="Apache-2.0 (code); the ImageNet weights' licence is their publisher's",
    layouts=(HUGGING_FACE,),
)
