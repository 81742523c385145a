CREATE TABLE `delivery_stats` (
	`scope` text NOT NULL,
	`minute` integer NOT NULL,
	`outcome` text NOT NULL,
	`bucket` integer NOT NULL,
	`count` integer NOT NULL,
	PRIMARY KEY(`scope`, `minute`, `outcome`, `bucket`)
);
--> statement-breakpoint
CREATE INDEX `delivery_stats_minute` ON `delivery_stats` (`minute`);--> statement-breakpoint
CREATE TABLE `replays` (
	`id` text PRIMARY KEY NOT NULL,
	`status` text NOT NULL,
	`filter` text NOT NULL,
	`sequence` text NOT NULL,
	`rate_per_s` real,
	`rate_tat` real,
	`position` text,
	`died_before` integer NOT NULL,
	`total` integer NOT NULL,
	`done` integer NOT NULL,
	`failed` integer NOT NULL,
	`enable` integer NOT NULL,
	`actor` text NOT NULL,
	`request_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`finished_at` integer
);
--> statement-breakpoint
CREATE INDEX `replays_running` ON `replays` (`status`) WHERE status = 'running';--> statement-breakpoint
ALTER TABLE `deliveries` ADD `order_key` text;--> statement-breakpoint
ALTER TABLE `deliveries` ADD `order_seq` integer;--> statement-breakpoint
CREATE INDEX `deliveries_order` ON `deliveries` (`endpoint_id`,`order_key`,`order_seq`) WHERE order_key is not null and finished_at is null;--> statement-breakpoint
CREATE INDEX `deliveries_expiry` ON `deliveries` (`endpoint_id`,`expires_at`) WHERE status = 'pending';--> statement-breakpoint
ALTER TABLE `endpoints` ADD `url` text;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `description` text;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `event_types` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `headers` text;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `metadata` text;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `ordering` text DEFAULT 'none' NOT NULL;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `retry_schedule` text;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `signing_secret` text;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `ed25519` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `old_secrets` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `disabled_reason` text;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `enabled_at` integer;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `rate_limit_per_s` real;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `rate_tat` real;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `silent_attempts` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `silent_since` integer;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `probe_at` integer;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `probe_wait_ms` integer;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `failures` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `failing_since` integer;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `last_success_at` integer;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `deleted_at` integer;--> statement-breakpoint
ALTER TABLE `endpoints` ADD `updated_at` integer;--> statement-breakpoint
CREATE INDEX `endpoints_registered` ON `endpoints` (`tenant_id`,`id`) WHERE kind = 'registered';--> statement-breakpoint
CREATE INDEX `endpoints_deleted` ON `endpoints` (`deleted_at`) WHERE deleted_at is not null;--> statement-breakpoint
ALTER TABLE `events` ADD `xid` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `events` ADD `key` text;--> statement-breakpoint
ALTER TABLE `events` ADD `fan_out` integer DEFAULT 1 NOT NULL;--> statement-breakpoint
CREATE INDEX `events_pull` ON `events` (`tenant_id`,`xid`,`seq`);--> statement-breakpoint
ALTER TABLE `tenants` ADD `signing_key` text;--> statement-breakpoint
ALTER TABLE `tenants` ADD `public_key` text;