"""python -m fibrostage"""

from fibrostage.cli.app import main

main()
