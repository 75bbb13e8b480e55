from chassis.main import main
from fake_targets.service import SERVICE

main(SERVICE)
