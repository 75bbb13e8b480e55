from chassis.main import main
from gateway_edge.service import SERVICE

main(SERVICE)
