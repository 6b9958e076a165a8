"""NumPy's multiplications in one thread each, in this process and those that it starts: import it before NumPy.

By itself each of them wakes a thread for every core, which then spins for the next one. Half of the processor's time of
a portrait went there; jobs run side by side instead. Whoever has set OPENBLAS_NUM_THREADS has it as it is.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
