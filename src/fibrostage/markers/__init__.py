"""The markers, one file each; a new one is a file and a line here."""

from fibrostage.ground.registry import Registry
from fibrostage.markers.aar import AAR
from fibrostage.markers.apri import APRI
from fibrostage.markers.fib4 import FIB4
from fibrostage.markers.gpr import GPR
from fibrostage.markers.nfs import NFS
from fibrostage.markers.spec import Marker
from fibrostage.markers.spleen import SPLEEN
from fibrostage.markers.stq import STQ
from fibrostage.markers.swe import SWE
from fibrostage.markers.te import TE

MARKERS: Registry[Marker] = Registry("marker", (APRI, FIB4, GPR, NFS, AAR, SWE, STQ, TE, SPLEEN))
