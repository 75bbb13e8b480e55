from chassis.main import main
from fake_edge.service import SERVICE

main(SERVICE)
