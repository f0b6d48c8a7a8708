from vodstack_cli.main import main

main()
