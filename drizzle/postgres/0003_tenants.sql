ALTER TABLE "api_keys" ADD COLUMN "expires_at" bigint;--> statement-breakpoint
ALTER TABLE "api_keys" ADD COLUMN "last_used_at" bigint;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "old_secrets" text COLLATE "C" DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "poll_limit_per_s" double precision;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "request_limit_per_s" double precision;--> statement-breakpoint
ALTER TABLE "tenants" ADD COLUMN "updated_at" bigint;