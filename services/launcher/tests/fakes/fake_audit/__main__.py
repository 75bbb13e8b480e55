from chassis.main import main
from fake_audit.service import SERVICE

main(SERVICE)
