from audit_svc.service import SERVICE
from chassis.main import main

main(SERVICE)
