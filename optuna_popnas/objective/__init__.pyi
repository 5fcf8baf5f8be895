from .confirmation import confirm as confirm
from .final import retrain as retrain
from .one_call import search as search
from .training_objective import TrainingObjective as TrainingObjective
from .watching import Watch as Watch
