from chassis.main import main
from audit_svc.service import SERVICE

main(SERVICE)
