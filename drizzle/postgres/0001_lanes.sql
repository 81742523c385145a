CREATE TABLE "delivery_stats" (
	"scope" text COLLATE "C" NOT NULL,
	"minute" bigint NOT NULL,
	"outcome" text COLLATE "C" NOT NULL,
	"bucket" integer NOT NULL,
	"count" integer NOT NULL,
	CONSTRAINT "delivery_stats_scope_minute_outcome_bucket_pk" PRIMARY KEY("scope","minute","outcome","bucket")
);
--> statement-breakpoint
CREATE TABLE "replays" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"status" text COLLATE "C" NOT NULL,
	"filter" text COLLATE "C" NOT NULL,
	"sequence" text COLLATE "C" NOT NULL,
	"rate_per_s" double precision,
	"rate_tat" double precision,
	"position" text COLLATE "C",
	"died_before" bigint NOT NULL,
	"total" integer NOT NULL,
	"done" integer NOT NULL,
	"failed" integer NOT NULL,
	"enable" integer NOT NULL,
	"actor" text COLLATE "C" NOT NULL,
	"request_id" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"finished_at" bigint
);
--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "order_key" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "deliveries" ADD COLUMN "order_seq" bigint;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "url" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "description" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "event_types" text COLLATE "C" DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "headers" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "metadata" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "ordering" text COLLATE "C" DEFAULT 'none' NOT NULL;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "retry_schedule" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "signing_secret" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "ed25519" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "old_secrets" text COLLATE "C" DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "disabled_reason" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "enabled_at" bigint;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "rate_limit_per_s" double precision;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "rate_tat" double precision;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "silent_attempts" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "silent_since" bigint;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "probe_at" bigint;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "probe_wait_ms" bigint;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "failures" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "failing_since" bigint;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "last_success_at" bigint;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "deleted_at" bigint;--> statement-breakpoint
ALTER TABLE "endpoints" ADD COLUMN "updated_at" bigint;--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "xid" bigint DEFAULT (pg_current_xact_id()::text)::bigint NOT NULL;--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "key" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "fan_out" integer DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "signing_key" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "public_key" text COLLATE "C";--> statement-breakpoint
CREATE INDEX "delivery_stats_minute" ON "delivery_stats" USING btree ("minute");--> statement-breakpoint
CREATE INDEX "replays_running" ON "replays" USING btree ("status") WHERE status = 'running';--> statement-breakpoint
CREATE INDEX "deliveries_order" ON "deliveries" USING btree ("endpoint_id","order_key","order_seq") WHERE order_key is not null and finished_at is null;--> statement-breakpoint
CREATE INDEX "deliveries_expiry" ON "deliveries" USING btree ("endpoint_id","expires_at") WHERE status = 'pending';--> statement-breakpoint
CREATE INDEX "endpoints_registered" ON "endpoints" USING btree ("tenant_id","id") WHERE kind = 'registered';--> statement-breakpoint
CREATE INDEX "endpoints_deleted" ON "endpoints" USING btree ("deleted_at") WHERE deleted_at is not null;--> statement-breakpoint
CREATE INDEX "events_pull" ON "events" USING btree ("tenant_id","xid","seq");