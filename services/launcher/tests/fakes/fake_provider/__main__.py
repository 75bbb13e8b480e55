from chassis.main import main
from fake_provider.service import SERVICE

main(SERVICE)
