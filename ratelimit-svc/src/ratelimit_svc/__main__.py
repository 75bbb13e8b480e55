from chassis.main import main
from ratelimit_svc.service import SERVICE

main(SERVICE)
