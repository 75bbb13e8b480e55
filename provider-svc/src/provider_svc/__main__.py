from chassis.main import main
from provider_svc.service import SERVICE

main(SERVICE)
