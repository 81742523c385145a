// A receiver of callbacks to start from: PORT=9000 WEBHOOK_SECRET=whsec_… go run .
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	// More than Posthorn sends: `data` of up to 1 MiB and what is around it.
	maxBodyBytes  = 2 << 20
	maxRemembered = 100_000
)

type receiver struct {
	webhook *standardwebhooks.Webhook

	mu sync.Mutex
	// Ids of what was handled, and their order.
	// In earnest: a table where the id is unique, written in the transaction that does the work.
	handled map[string]bool
	order   []string
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		} else {
			w.WriteHeader(http.StatusBadRequest)
		}
		return
	}
	// Over the body as it came: JSON that was parsed and written again is other bytes.
	if err := rc.webhook.Verify(body, r.Header); err != nil {
		log.Printf("refused: %v", err)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if err := rc.handleOnce(r.Header.Get(standardwebhooks.HeaderWebhookID), body); err != nil {
		log.Print(err)
		w.WriteHeader(http.StatusInternalServerError) // and the sender tries again
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// Delivery is at least once: an answer can get lost, and a replay comes with the same id.
func (rc *receiver) handleOnce(id string, body []byte) error {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	if rc.handled[id] {
		return nil
	}
	if err := handle(id, body); err != nil {
		return err
	}
	rc.handled[id] = true
	rc.order = append(rc.order, id)
	if len(rc.order) > maxRemembered {
		delete(rc.handled, rc.order[0])
		rc.order = rc.order[1:]
	}
	return nil
}

// handle does the work, or puts it where it is safe to be done later: the sender waits for 15 s at most.
func handle(id string, body []byte) error {
	var event struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return err
	}
	fmt.Printf("handled %s %s\n%s\n", id, event.Type, body)
	return nil
}

func main() {
	secret := os.Getenv("WEBHOOK_SECRET")
	if strings.TrimPrefix(secret, "whsec_") == "" {
		log.Fatal("WEBHOOK_SECRET is missing: the whsec_… of the endpoint, or of the tenant for a callback_url.")
	}
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /", &receiver{webhook: webhook, handled: map[string]bool{}})
	server := &http.Server{Handler: mux, ReadTimeout: 10 * time.Second}

	listener, err := net.Listen("tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "9000"))
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	fmt.Printf("listening on http://%s\n", listener.Addr())

	<-ctx.Done()
	// No more connections; requests under way are answered.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}
