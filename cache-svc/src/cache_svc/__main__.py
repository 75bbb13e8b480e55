from chassis.main import main
from cache_svc.service import SERVICE

main(SERVICE)
