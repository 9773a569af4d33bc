// Keeps a TCP port open while it runs, and prints what becomes of it: hold SOCKET PORT
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
)

func main() {
	natd, err := net.Dial("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	// With "more" the mapping lives as long as the connection; each change is a reply.
	fmt.Fprintf(natd, `{"method": "org.natd.NAT.RequestMapping", "more": true,
		"parameters": {"protocols": ["tcp"], "internalPort": %s}}%c`, os.Args[2], 0)
	for in := bufio.NewReader(natd); ; {
		message, err := in.ReadBytes(0)
		var reply struct {
			Error      string
			Parameters map[string]struct{ Runtime map[string]any }
		}
		if err != nil || json.Unmarshal(message[:len(message)-1], &reply) != nil || reply.Error != "" {
			fmt.Println("closed:", err, reply.Error)
			return // io.EOF or ShuttingDown: natd is being restarted, ask again
		}
		now := reply.Parameters["mapping"].Runtime
		switch now["state"] {
		case "active", "renewing", "degraded":
			external := now["external"].(map[string]any)
			fmt.Printf("open %v:%v\n", external["address"], external["port"])
		default:
			fmt.Println("closed:", now["state"])
		}
	}
}
