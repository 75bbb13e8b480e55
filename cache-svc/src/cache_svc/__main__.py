from cache_svc.service import SERVICE
from chassis.main import main

main(SERVICE)
