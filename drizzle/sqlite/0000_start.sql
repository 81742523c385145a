CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text,
	`role` text NOT NULL,
	`name` text NOT NULL,
	`hash` text NOT NULL,
	`prefix` text NOT NULL,
	`last_four` text NOT NULL,
	`created_at` integer NOT NULL,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `api_keys_hash_unique` ON `api_keys` (`hash`);--> statement-breakpoint
CREATE TABLE `attempts` (
	`delivery_id` text NOT NULL,
	`claim_no` integer NOT NULL,
	`number` integer NOT NULL,
	`outcome` text NOT NULL,
	`started_at` integer NOT NULL,
	`duration_ms` integer NOT NULL,
	`phases` text,
	`remote_address` text,
	`request_headers` text,
	`status` integer,
	`response_headers` text,
	`response_body` blob,
	`response_truncated` integer NOT NULL,
	`error_class` text,
	`error` text,
	`next_attempt_at` integer,
	PRIMARY KEY(`delivery_id`, `claim_no`)
);
--> statement-breakpoint
CREATE TABLE `audit_log` (
	`id` text PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`actor` text NOT NULL,
	`action` text NOT NULL,
	`target` text NOT NULL,
	`request_id` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `dead_letters` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`delivery_id` text NOT NULL,
	`event_id` text NOT NULL,
	`endpoint_id` text NOT NULL,
	`reason` text NOT NULL,
	`last_status` integer,
	`error_class` text,
	`fingerprint` text NOT NULL,
	`attempts` integer NOT NULL,
	`first_attempt_at` integer,
	`last_attempt_at` integer,
	`died_at` integer NOT NULL,
	`replayed_at` integer,
	`replayed_by` text
);
--> statement-breakpoint
CREATE INDEX `dead_letters_by_tenant` ON `dead_letters` (`tenant_id`,`id`);--> statement-breakpoint
CREATE INDEX `dead_letters_by_delivery` ON `dead_letters` (`delivery_id`);--> statement-breakpoint
CREATE TABLE `deliveries` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`endpoint_id` text NOT NULL,
	`event_id` text NOT NULL,
	`event_type` text NOT NULL,
	`job_id` text,
	`url` text NOT NULL,
	`status` text NOT NULL,
	`due_at` integer NOT NULL,
	`attempts` integer NOT NULL,
	`claim_no` integer NOT NULL,
	`worker_id` text,
	`claimed_at` integer,
	`claimed_until` integer,
	`replays` integer NOT NULL,
	`last_status` integer,
	`last_error_class` text,
	`last_error` text,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`finished_at` integer
);
--> statement-breakpoint
CREATE INDEX `deliveries_due` ON `deliveries` (`endpoint_id`,`due_at`,`id`) WHERE status = 'pending';--> statement-breakpoint
CREATE INDEX `deliveries_in_flight` ON `deliveries` (`endpoint_id`) WHERE status = 'delivering';--> statement-breakpoint
CREATE INDEX `deliveries_by_tenant` ON `deliveries` (`tenant_id`,`id`);--> statement-breakpoint
CREATE INDEX `deliveries_by_job` ON `deliveries` (`job_id`) WHERE job_id is not null;--> statement-breakpoint
CREATE TABLE `endpoints` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`kind` text NOT NULL,
	`origin` text,
	`concurrency` integer NOT NULL,
	`max_concurrency` integer NOT NULL,
	`paused_until` integer,
	`disabled_at` integer,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `endpoints_by_origin` ON `endpoints` (`tenant_id`,`origin`);--> statement-breakpoint
CREATE TABLE `events` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`tenant_id` text NOT NULL,
	`type` text NOT NULL,
	`job_id` text,
	`body` text NOT NULL,
	`traceparent` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `events_id_unique` ON `events` (`id`);--> statement-breakpoint
CREATE TABLE `files` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`job_id` text,
	`size` integer NOT NULL,
	`sha256` text NOT NULL,
	`content_type` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `files_by_job` ON `files` (`job_id`) WHERE job_id is not null;--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`tenant_id` text NOT NULL,
	`key` text NOT NULL,
	`fingerprint` text NOT NULL,
	`resource_id` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`tenant_id`, `key`)
);
--> statement-breakpoint
CREATE INDEX `idempotency_keys_by_resource` ON `idempotency_keys` (`resource_id`);--> statement-breakpoint
CREATE TABLE `jobs` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant_id` text NOT NULL,
	`type` text NOT NULL,
	`status` text NOT NULL,
	`queue` text,
	`priority` integer NOT NULL,
	`payload` text NOT NULL,
	`metadata` text,
	`endpoint_id` text,
	`callback_url` text,
	`callback_events` text NOT NULL,
	`callback_delivery_id` text,
	`traceparent` text NOT NULL,
	`created_at` integer NOT NULL,
	`run_at` integer NOT NULL,
	`due_at` integer NOT NULL,
	`deadline_at` integer,
	`timeout_ms` integer NOT NULL,
	`max_attempts` integer NOT NULL,
	`result_ttl_ms` integer,
	`attempt` integer NOT NULL,
	`lost_runs` integer NOT NULL,
	`claim_no` integer NOT NULL,
	`worker_id` text,
	`progress` integer NOT NULL,
	`message` text,
	`started_at` integer,
	`finished_at` integer,
	`result` text,
	`result_file_id` text,
	`error` text,
	`version` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `jobs_ready` ON `jobs` (`tenant_id`,`type`,`priority`,`due_at`,`id`) WHERE queue = 'ready';--> statement-breakpoint
CREATE INDEX `jobs_scheduled` ON `jobs` (`due_at`) WHERE queue = 'scheduled';--> statement-breakpoint
CREATE INDEX `jobs_processing` ON `jobs` (`worker_id`) WHERE status = 'processing';--> statement-breakpoint
CREATE INDEX `jobs_deadline` ON `jobs` (`deadline_at`) WHERE queue is not null and deadline_at is not null;--> statement-breakpoint
CREATE INDEX `jobs_by_tenant` ON `jobs` (`tenant_id`,`id`);--> statement-breakpoint
CREATE INDEX `jobs_by_status` ON `jobs` (`tenant_id`,`status`,`id`);--> statement-breakpoint
CREATE TABLE `tenants` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`signing_secret` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `tenants_name_unique` ON `tenants` (`name`);