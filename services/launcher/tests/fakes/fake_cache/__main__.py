from chassis.main import main
from fake_cache.service import SERVICE

main(SERVICE)
