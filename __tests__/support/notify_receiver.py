"""Prints each message that a service manager would get, one a line. Argument: the name of an abstract socket."""
import socket
import sys

receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind("\0" + sys.argv[1])
print("receives", flush=True)
while True:
    print(receiver.recv(65536).decode().replace("\n", " "), flush=True)
