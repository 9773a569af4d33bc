"""Prints compile_commands.json: compile_commands.py SOURCE... -- COMPILER FLAG..."""

import json
import os
import sys

split = sys.argv.index("--")
json.dump([{"directory": os.getcwd(), "file": source,
            "arguments": sys.argv[split + 1:] + ["-c", source]}
           for source in sys.argv[1:split]], sys.stdout, indent=1)
print()
