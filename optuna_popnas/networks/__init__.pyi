from .config import NetworkConfig as NetworkConfig
from .cost import cell_costs as cell_costs
from .cost import CellCosts as CellCosts
from .layout import CellLayout as CellLayout
from .layout import network_layout as network_layout
from .network import build_network as build_network
from .network import Network as Network
